# SPDX-License-Identifier: MIT
cd /tmp && cat > hello.c <<'END'
#include <math.h>
#include <stdio.h>
#include "part.h"
int main(int argc, char **argv) { printf("hello %s %d %.6f\n", argc > 1 ? argv[1] : "world", part(argc), sqrt(2)); return argc; }
END
echo 'int part(int n);' > part.h; echo '#include "part.h"
int part(int n) { int s = 0; for (int i = 0; i < 1000 * n; i++) s += i ^ n; return s; }' > part.c
cat > Makefile <<'END'
CFLAGS = -O2 -Wall -Wextra -Werror
all: hello hello-static libpart.a
hello: hello.o part.o
	$(CC) -o $@ $^ -lm
hello-static: hello.o part.o
	$(CC) -static -o $@ $^ -lm
libpart.a: part.o
	$(AR) rcsD $@ $^
%.o: %.c part.h
	$(CC) $(CFLAGS) -c -o $@ $<
END
gcc -O2 -o one hello.c part.c -lm; echo "rc $?"; ./one a b; echo "rc $?"
make -j2 all > log 2>&1; echo "make $?"; sort log; ./hello; ./hello-static x; make all | tail -1; touch part.h
make -n | grep -c gcc\\\|cc; file=hello; readelf -h hello | grep -E 'Type|Machine'; nm libpart.a; size part.o
objdump -d part.o | grep -c ret; strip hello -o stripped && ./stripped s; echo 'int main( { }' > bad.c
gcc -c bad.c 2>&1 | head -2; gcc -c bad.c 2>/dev/null; echo "rc $?"
cat > t.c <<'END'
#include <pthread.h>
#include <stdio.h>
static void *f(void *a) { printf("thread\n"); return a; }
int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); return pthread_join(t, 0); }
END
gcc -pthread -o t t.c && ./t; gcc -E -dM - < /dev/null | grep -c __x86_64__
echo 'int x;' | gcc -S -o - -x c - | grep -c globl; ar t libpart.a
gcc -shared -fPIC -o libp.so part.c && gcc -o dyn hello.c -L. -lp -lm && LD_LIBRARY_PATH=. ./dyn d
ldd ./dyn | sed 's/ (0x.*//;s/^\t//' | grep -v vdso | sort
