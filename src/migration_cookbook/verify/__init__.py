"""Does this snippet work? One module a step, frozen values between them."""
