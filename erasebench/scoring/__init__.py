"""Judge any folder of images: what lies in it (`folder`), whose prompt is whose (`matching`), what it is worth."""
