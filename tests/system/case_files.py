# SPDX-License-Identifier: MIT
"""The files with the cases, in the order in which they are run."""

import case_word_count          # noqa: F401
import case_programs            # noqa: F401
import case_tool                # noqa: F401
