"""What lesson 02 measures with: texts, chats and passages in a window, and its cache."""
