"""Models on disk: what is installed, checked by content, never a pickle, never downloaded by a job."""
