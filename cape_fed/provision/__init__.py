"""From one file on a federation to all that its coordinator and its sites start with; no site's private key is made."""
