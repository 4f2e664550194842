"""Songs: the sheet and its Markdown form, the plan, takes with receipts, the mix.

``songs.sheet`` reads a sheet, ``songs.markdown`` converts it, ``songs.rendering`` makes takes of
it, ``songs.output`` mixes and compares them.
"""
