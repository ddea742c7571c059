"""What is asked, and the gold: problems from files, hubs and generators; prompt templates. No torch here."""
