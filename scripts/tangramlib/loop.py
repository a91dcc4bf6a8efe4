# SPDX-License-Identifier: MIT
"""One selector with callbacks: everything the tool waits for goes through it, so that nothing waits for one thing only."""

import selectors


class Loop:
    def __init__(self):
        self._selector = selectors.DefaultSelector()
        self._callbacks = {}        # file object -> {event: callback}

    def _update(self, file, callbacks):
        events = sum(callbacks)
        if file in self._callbacks and not events:
            self._selector.unregister(file)
            del self._callbacks[file]
        elif file in self._callbacks:
            self._selector.modify(file, events)
            self._callbacks[file] = callbacks
        elif events:
            self._selector.register(file, events)       # PermissionError for a regular file: it is always ready
            self._callbacks[file] = callbacks

    def on_read(self, file, callback):
        """Call back when there is something to read; None: no longer."""
        self._set(file, selectors.EVENT_READ, callback)

    def on_write(self, file, callback):
        self._set(file, selectors.EVENT_WRITE, callback)

    def _set(self, file, event, callback):
        callbacks = dict(self._callbacks.get(file, {}))
        callbacks.pop(event, None)
        if callback is not None:
            callbacks[event] = callback
        self._update(file, callbacks)

    def forget(self, file):
        self._update(file, {})

    def poll(self, timeout):
        """Wait once, at most `timeout` seconds, and call back."""
        for key, events in self._selector.select(timeout):
            for event, callback in list(self._callbacks.get(key.fileobj, {}).items()):
                if events & event and self._callbacks.get(key.fileobj, {}).get(event) is callback:
                    callback()
