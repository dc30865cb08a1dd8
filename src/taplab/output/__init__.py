"""What a run leaves behind: masks, overlay, summary, pictures."""
