/* SPDX-License-Identifier: MIT */
/* The vDSO as the linker left it, in pages of its own: programs map them. */
	.section .rodata.vdso, "a", @progbits
	.balign 4096
	.globl vdso_start
vdso_start:
	.incbin VDSO_FILE
	.balign 4096
	.globl vdso_end
vdso_end:
	.section .note.GNU-stack, "", @progbits
