import os

collect_ignore = [] if os.environ.get("RIALTO_MBO_DATA") else ["test_real_files.py"]
