# SPDX-License-Identifier: MIT
obj-y += net/fit/call.o net/fit/conn.o net/fit/member.o net/fit/serve.o
