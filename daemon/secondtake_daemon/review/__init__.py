"""What is done with takes that are made: looked at side by side, and handed on. No take is changed."""
