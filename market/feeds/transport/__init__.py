"""Records over TCP: frames, the paced sender, and the receiver that resumes."""
