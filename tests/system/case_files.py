# SPDX-License-Identifier: MIT
"""The files with the cases, in the order in which they are run."""

import case_word_count          # noqa: F401
import case_remote              # noqa: F401
import case_failures            # noqa: F401
import case_tap                 # noqa: F401
import case_programs            # noqa: F401
import case_pcache              # noqa: F401
import case_shadow              # noqa: F401
import case_calls               # noqa: F401
import case_lessons             # noqa: F401
import case_stress              # noqa: F401
import case_debian             # noqa: F401
import case_stress_ng          # noqa: F401
import case_fuzz               # noqa: F401
import case_sockets            # noqa: F401
import case_tty                # noqa: F401
import case_boot                # noqa: F401
import case_nodes               # noqa: F401
import case_fit                # noqa: F401
import case_faults             # noqa: F401
import case_crash              # noqa: F401
import case_tool                # noqa: F401
import case_long                # noqa: F401
