# SPDX-License-Identifier: MIT
obj-y += kernel/main.o kernel/spinlock.o kernel/printk.o kernel/printk_ring.o kernel/panic.o kernel/power.o kernel/param.o kernel/counter.o kernel/acct.o kernel/trim.o kernel/trace.o
obj-y += kernel/load.o kernel/sched.o kernel/thread.o kernel/waitq.o kernel/mutex.o kernel/timer.o kernel/timer_queue.o kernel/time.o kernel/work.o
obj-$(CONFIG_SELFTEST) += kernel/selftest.o kernel/selftest_sched.o
obj-$(CONFIG_DEBUG) += kernel/crash.o
obj-$(CONFIG_MUTANTS) += kernel/rule.o
