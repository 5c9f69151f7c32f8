"""The console: the files of the page at `/`, as they are sent; `api.console_files` reads them."""
