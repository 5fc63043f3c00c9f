"""The adapters with the real frameworks, a scripted model and a running product; no network beyond this machine."""
