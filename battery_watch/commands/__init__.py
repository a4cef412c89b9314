"""One small file per command, imported when it is called. click passes each option as a parameter, so a command may
have more than six. May import everything."""
