"""Values as the bytes that L2 keeps: framed, signed, compressed, compared."""
