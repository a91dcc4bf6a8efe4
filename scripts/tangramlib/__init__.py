# SPDX-License-Identifier: MIT
"""The parts of scripts/tangram and its sisters. Python standard library only."""
