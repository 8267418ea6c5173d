"""Files, folders and archives, read and handed to a search in this process or in several."""
