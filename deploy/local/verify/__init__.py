"""What must always hold (DESIGN section 9), asked of a running stack from the outside."""
