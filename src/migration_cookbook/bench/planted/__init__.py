"""Mistakes planted into good snippets: does the checker notice them?"""
