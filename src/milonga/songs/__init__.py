"""Songs: the sheet and its Markdown form, the plan, takes with receipts, the mix.

``songs.sheet`` reads a sheet; ``songs.markdown_import`` and ``songs.markdown_export`` convert it.
"""
