"""The papers' tables: what each row reached there, what we aim at, and the experiment of ours that answers it.

The numbers are those of PROTOCOL 3; shares are in [0, 1].
"""

from boxless.engine.tables import mcmil, mist, tusk

TABLES = {table.name: table for table in (*mist.TABLES, *mcmil.TABLES, *tusk.TABLES)}
