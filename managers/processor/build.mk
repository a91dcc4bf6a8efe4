# SPDX-License-Identifier: MIT
P := managers/processor
obj-y += $(P)/main.o $(P)/commands.o $(P)/random.o
obj-y += $(addprefix $(P)/process/,clone.o core.o exec.o exit.o frame.o futex.o handlers.o job.o pid.o process.o signal.o)
obj-y += $(addprefix $(P)/syscall/,aio.o attr.o entry.o file.o ids.o memory.o mempolicy.o mount.o path.o pidfd.o poll.o signal.o socket.o splice.o system.o time.o)
obj-y += $(addprefix $(P)/process/,bpf.o clocks.o credentials.o pending.o timers.o usage.o)
obj-y += $(addprefix $(P)/syscall/,credentials.o machine.o peek.o prctl.o sched.o seccomp.o timer.o)
obj-y += $(addprefix $(P)/fs/,async.o attr_cache.o cpuinfo.o cpu_sys.o dentry.o device.o epoll.o eventfd.o fd.o inotify.o iovec.o lease.o lock.o mount.o open.o path.o pipe.o poll.o proc_fd.o proc_maps.o proc_mem.o procfs.o \
	proc_pid.o signalfd.o storagefs.o synthfs.o timerfd.o tmpfs.o)
obj-y += $(P)/process/ptrace.o $(P)/syscall/ptrace.o
obj-y += $(addprefix $(P)/ipc/,ids.o mqueue.o msg.o sem.o shm.o)
obj-y += $(addprefix $(P)/tty/,console.o ldisc.o pty.o tty.o)
obj-y += $(addprefix $(P)/socket/,connect.o inet.o interface.o options.o ports.o queue.o rights.o show.o socket.o transfer.o unix.o)
-include managers/processor/pcache/build.mk managers/processor/space/build.mk
