"""The JSON that the contract takes and gives, as pydantic models."""
