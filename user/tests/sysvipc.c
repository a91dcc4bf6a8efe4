/* SPDX-License-Identifier: MIT */
/* sysvipc: shared memory, semaphores and message queues of System V. Prints each call with its outcome, for comparison with Linux. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "check.h"
#include "said.h"

#define PAGE 4096l

union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };

static struct shmid_ds ds;
static key_t key;			/* this and the next two are this program's */
static int id;

static long attached(void)
{
	CHECK(shmctl(id, IPC_STAT, &ds) == 0);
	return ds.shm_nattch;
}

/* A child that has done what it had to, and waits to be let go. */
static pid_t held_child(int release[2])
{
	int ready[2];
	pid_t pid;
	char c;

	CHECK(pipe(release) == 0 && pipe(ready) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		close(release[1]);
		CHECK(write(ready[1], "x", 1) == 1 && read(release[0], &c, 1) == 0);
		_exit(0);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	close(release[0]);
	return pid;
}

static void shared_memory(void)
{
	int release[2], status;
	long *p, *q, *at;
	pid_t pid;

	TRY(shmget(IPC_PRIVATE, 0, 0600));
	TRY(shmget(IPC_PRIVATE, -1, 0600));
	TRY(shmget(key, 4096, 0600));
	id = shmget(key, 3 * PAGE + 100, IPC_CREAT | IPC_EXCL | 0640);
	CHECK(id >= 0);
	TRY(shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600));
	TRY(shmget(key, 5 * PAGE, 0600));
	TRY(shmget(key, 0, 0) == id);
	TRY(shmat(-1, NULL, 0) == (void *)-1 ? -1 : 0);
	TRY(shmat(id, (void *)(PAGE + 1), 0) == (void *)-1 ? -1 : 0);
	TRY(shmat(id, NULL, SHM_REMAP) == (void *)-1 ? -1 : 0);
	p = shmat(id, NULL, 0);
	q = shmat(id, NULL, SHM_RDONLY);
	CHECK(p != (void *)-1 && q != (void *)-1 && p != q);
	p[1] = 77;
	TRY(q[1]);
	TRY(attached());
	TRY(ds.shm_segsz);
	TRY(ds.shm_perm.mode);
	TRY(ds.shm_cpid == getpid());
	TRY(ds.shm_lpid == getpid());
	TRY(ds.shm_atime != 0);
	TRY(ds.shm_dtime);
	TRY(shmat(id, p, 0) == (void *)-1 ? -1 : 0);
	at = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY(shmat(id, (char *)at + 100, SHM_RND | SHM_REMAP) == at);
	TRY(at[1]);
	TRY(attached());
	TRY(mprotect(at + PAGE / 8, PAGE, PROT_READ));		/* three mappings of it */
	TRY(attached());
	pid = held_child(release);
	TRY(attached());
	close(release[1]);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	TRY(attached());
	TRY(shmdt(at + PAGE / 8));
	TRY(shmdt(at));
	TRY(attached());
	TRY(ds.shm_dtime != 0);
	TRY(shmdt(at));
	TRY(shmdt((char *)p + 1));
	TRY(mprotect(q, PAGE, PROT_READ | PROT_WRITE));
	TRY(shmctl(id, 1000, &ds));
	TRY(shmctl(id, IPC_STAT, (void *)8));
	ds.shm_perm.uid = -1;
	TRY(shmctl(id, IPC_SET, &ds));
	TRY(attached());
	ds.shm_perm.mode = 0707;
	TRY(shmctl(id, IPC_SET, &ds));
	TRY(attached());
	TRY(ds.shm_perm.mode);
	pid = fork();
	if (pid == 0) {
		p[2] = 78;
		CHECK(shmdt(p) == 0);
		p = shmat(id, NULL, 0);
		_exit(p[2] == 78 && p[1] == 77 ? execl("/proc/self/exe", "sysvipc", "end", NULL) : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	TRY(status);
	TRY(p[2]);
	TRY(attached());
	TRY(shmctl(id, IPC_RMID, NULL));
	TRY(attached());
	TRY(ds.shm_perm.mode);
	TRY(ds.shm_perm.__key);
	TRY(shmget(key, 0, 0));
	TRY(shmdt(p));
	TRY(q[2]);
	TRY(munmap(q, 4 * PAGE));
	TRY(shmctl(id, IPC_STAT, &ds));
	id = shmget(IPC_PRIVATE, PAGE, 0600);
	CHECK(id >= 0);
	TRY(shmctl(id, SHM_LOCK, NULL));
	TRY(attached());
	TRY(ds.shm_perm.mode);
	TRY(shmctl(id, SHM_UNLOCK, NULL));
	TRY(shmctl(id, IPC_RMID, NULL));
	TRY(shmctl(id, IPC_RMID, NULL));
}

static int sem;

static long op(int num, int n, int flags)
{
	struct sembuf b = { num, n, flags };

	return semop(sem, &b, 1);
}

static long waiting(int num, int cmd, long wanted)
{
	long n = -1;

	for (int i = 0; i < 100000 && n != wanted; i++) {
		n = semctl(sem, num, cmd);
		if (n != wanted)
			usleep(1000);
	}
	return n;
}

static pid_t op_in_child(int num, int n, int flags)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(op(num, n, flags) == 0 ? 0 : errno);
	return pid;
}

static int ended(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void none(int sig) { (void)sig; }

static void semaphores(void)
{
	unsigned short all[4] = { 1, 2, 3, 4 }, bad[4] = { 1, 40000, 0, 0 };
	struct sembuf two[2] = { { 0, -1, 0 }, { 1, -5, IPC_NOWAIT } }, many[501], back[3] = { { 3, 2, 0 }, { 3, -2, 0 }, { 3, 0, 0 } };
	struct timespec soon = { 0, 1000000 }, wrong = { 0, -1 };
	struct sigaction act = { .sa_handler = none, .sa_flags = SA_RESTART };
	struct semid_ds sd;
	pid_t pid, pid2;

	memset(many, 0, sizeof(many));
	TRY(semget(IPC_PRIVATE, 0, 0600));
	TRY(semget(IPC_PRIVATE, -1, 0600));
	TRY(semget(IPC_PRIVATE, 40000, 0600));
	TRY(semget(key + 1, 1, 0600));
	sem = semget(key + 1, 4, IPC_CREAT | 0600);
	CHECK(sem >= 0);
	TRY(semget(key + 1, 5, 0600));
	TRY(semget(key + 1, 4, IPC_CREAT | IPC_EXCL | 0600));
	TRY(semctl(sem, 0, SETALL, (union semun){ .array = bad }));
	TRY(semctl(sem, 0, SETALL, (union semun){ .array = all }));
	TRY(semctl(sem, 0, GETALL, (union semun){ .array = bad }));
	TRY(bad[0] + 10 * bad[1] + 100 * bad[2] + 1000 * bad[3]);
	TRY(semctl(sem, 4, GETVAL));
	TRY(semctl(sem, -1, GETVAL));
	TRY(semctl(sem, 0, 1000));
	TRY(semctl(sem, 0, SETVAL, (union semun){ .val = 32768 }));
	TRY(semctl(sem, 0, SETVAL, (union semun){ .val = -1 }));
	TRY(semctl(sem, 2, GETVAL));
	TRY(semop(sem, two, 2));
	TRY(semctl(sem, 0, GETVAL));
	TRY(semop(sem, two, 0));
	TRY(semop(sem, many, 501));
	TRY(semop(-1, two, 1));
	TRY(semop(sem, (void *)8, 1));
	TRY(op(4, 1, 0));
	TRY(op(0, 32767, 0));
	TRY(op(1, 0, IPC_NOWAIT));
	TRY(semctl(sem, 3, SETVAL, (union semun){ .val = 0 }));
	TRY(semop(sem, back, 3));
	TRY(semctl(sem, 3, GETPID) == getpid());
	TRY(semtimedop(sem, &(struct sembuf){ 3, -1, 0 }, 1, &soon));
	TRY(semtimedop(sem, &(struct sembuf){ 3, -1, 0 }, 1, &wrong));
	/* who waits */
	pid = op_in_child(3, -2, 0);
	TRY(waiting(3, GETNCNT, 1));
	TRY(op(3, 1, 0));
	TRY(waiting(3, GETNCNT, 1));
	TRY(op(3, 1, 0));
	TRY(ended(pid));
	TRY(semctl(sem, 3, GETVAL));
	TRY(semctl(sem, 3, GETPID) == pid);
	/* a moment's zero is seen */
	pid = op_in_child(0, 0, 0);
	TRY(waiting(0, GETZCNT, 1));
	TRY(semop(sem, (struct sembuf[]){ { 0, -1, 0 }, { 0, 1, 0 } }, 2));
	TRY(waiting(0, GETZCNT, 1));
	TRY(op(0, -1, 0));
	TRY(op(0, 1, 0));
	TRY(ended(pid));
	/* undone at the end, but not what was set anew */
	pid = op_in_child(2, -2, SEM_UNDO);
	TRY(ended(pid));
	TRY(semctl(sem, 2, GETVAL));
	pid = op_in_child(2, -3, SEM_UNDO);
	pid2 = op_in_child(3, 5, SEM_UNDO);
	TRY(ended(pid) + ended(pid2));
	TRY(semctl(sem, 3, GETVAL));
	TRY(op(1, 1, SEM_UNDO));
	TRY(semctl(sem, 1, SETVAL, (union semun){ .val = 9 }));
	/* interrupted, whatever SA_RESTART says */
	sigaction(SIGUSR1, &act, NULL);
	pid = op_in_child(3, -1, 0);
	TRY(waiting(3, GETNCNT, 1));
	kill(pid, SIGUSR1);
	TRY(ended(pid) == EINTR);
	TRY(semctl(sem, 3, GETNCNT));
	TRY(semctl(sem, 0, IPC_STAT, (union semun){ .buf = &sd }));
	TRY(sd.sem_nsems);
	TRY(sd.sem_perm.mode);
	TRY(sd.sem_otime != 0);
	TRY(semctl(sem, 0, IPC_STAT, (union semun){ .buf = (void *)8 }));
	/* removed under who waits */
	pid = op_in_child(3, -1, 0);
	TRY(waiting(3, GETNCNT, 1));
	TRY(semctl(sem, 0, IPC_RMID));
	TRY(ended(pid) == EIDRM);
	TRY(op(0, 1, 0));
	TRY(semctl(sem, 0, IPC_RMID));
}

/* What is to be undone goes with the set: else this would take more memory than the machine has, 64 KiB each time. */
static void sets_come_and_go(void)
{
	for (int i = 0; i < 6000; i++) {
		sem = semget(IPC_PRIVATE, 32000, 0600);
		CHECK(sem >= 0 && op(31999, 1, SEM_UNDO) == 0 && semctl(sem, 0, IPC_RMID) == 0);
	}
}

static struct { long type; char text[9000]; } m;
static int mq;

static long put(long type, const char *text, int flags)
{
	m.type = type;
	strcpy(m.text, text);
	return msgsnd(mq, &m, strlen(text) + 1, flags);
}

static long get(long type, size_t len, int flags)
{
	long rc;

	memset(&m, 0, sizeof(m));
	rc = msgrcv(mq, &m, len, type, flags);
	if (rc >= 0)
		printf("[%ld %s] ", m.type, m.text);
	return rc;
}

static void message_queues(void)
{
	struct msqid_ds qd;
	int n = 0;
	pid_t pid;

	TRY(msgget(key + 2, 0600));
	mq = msgget(key + 2, IPC_CREAT | 0600);
	CHECK(mq >= 0);
	TRY(msgget(key + 2, IPC_CREAT | IPC_EXCL | 0600));
	TRY(put(0, "x", 0));
	TRY(put(-1, "x", 0));
	TRY(msgsnd(mq, &m, 9000, 0));
	TRY(msgsnd(mq, &m, -1, 0));
	TRY(msgsnd(mq, (void *)8, 1, 0));
	TRY(msgsnd(-1, &m, 1, 0));
	TRY(get(0, 100, IPC_NOWAIT));
	TRY(put(3, "three", 0));
	TRY(put(1, "one", 0));
	TRY(put(2, "two", 0));
	TRY(put(1, "uno", 0));
	TRY(get(5, 100, IPC_NOWAIT));
	TRY(get(0, 3, 0));
	TRY(get(1, 100, IPC_NOWAIT | MSG_COPY));
	TRY(get(7, 100, IPC_NOWAIT | MSG_COPY));
	TRY(get(0, 100, MSG_COPY));
	TRY(get(0, 3, MSG_NOERROR));
	TRY(get(1, 100, MSG_EXCEPT));
	TRY(get(-2, 100, 0));
	TRY(msgctl(mq, IPC_STAT, &qd));
	TRY(qd.msg_qnum);
	TRY(qd.__msg_cbytes);
	TRY(qd.msg_qbytes);
	TRY(qd.msg_lspid == getpid() && qd.msg_lrpid == getpid());
	TRY(get(1, 100, 0));
	TRY(msgrcv(mq, &m, -1, 0, 0));
	qd.msg_qbytes = 100;
	TRY(msgctl(mq, IPC_SET, &qd));
	while (put(4, "12345678901234567890", IPC_NOWAIT) == 0)
		n++;
	TRY(n);
	TRY(put(4, "12345678901234567890", IPC_NOWAIT));
	pid = fork();
	if (pid == 0)
		_exit(put(6, "a last one", 0) == 0 ? 0 : errno);
	TRY(get(4, 100, 0));
	TRY(ended(pid));
	while (get(4, 100, IPC_NOWAIT) > 0)
		;
	TRY(get(0, 100, 0));
	pid = fork();
	if (pid == 0)
		_exit(get(0, 100, 0) > 0 ? 0 : errno);
	TRY(put(9, "to a child", 0));
	TRY(ended(pid));
	pid = fork();
	if (pid == 0)
		_exit(get(0, 100, 0) > 0 ? 0 : errno);
	for (n = 0; n < 100; n++)
		sched_yield();
	TRY(msgctl(mq, IPC_RMID, NULL));
	n = ended(pid);
	TRY(n == EIDRM || n == EINVAL);
	TRY(put(1, "x", 0));
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "end") == 0)
		return 0;
	if (argc > 1) {
		sets_come_and_go();
		return ok("");
	}
	key = 0x7a000000 | getpid() << 2;	/* no other run's, nor of one that was killed */
	shared_memory();
	semaphores();
	message_queues();
	return ok("");
}
