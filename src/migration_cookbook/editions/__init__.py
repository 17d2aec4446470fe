"""How do chapters become notebooks, and notebooks learners' copies?"""
