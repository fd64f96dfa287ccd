"""What every entrance shares; imports go down its floors only."""
