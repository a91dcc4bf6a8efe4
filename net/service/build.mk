# SPDX-License-Identifier: MIT
obj-y += net/service/endpoint.o net/service/service.o net/service/rping.o net/service/cmtools.o net/service/perftest.o net/service/probe.o net/service/bare.o
obj-y += net/service/pingpong.o
