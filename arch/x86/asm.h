/* SPDX-License-Identifier: MIT */
/*
 * For assembly: exception table entries, and the SMAP switches. The latter are three bytes of nothing until boot finds
 * that the CPU has SMAP (features.c patches the listed places).
 */
#ifndef ARCH_X86_ASM_H
#define ARCH_X86_ASM_H

#define EXTABLE(insn, fixup)		\
	.pushsection .extable, "a";	\
	.quad insn, fixup;		\
	.popsection

#define SMAP_PATCH(last_byte)		\
773:	.byte 0x0f, 0x1f, 0x00;		\
	.pushsection .smap_patch, "a";	\
	.quad 773b;			\
	.quad last_byte;		\
	.popsection
#define ASM_CLAC	SMAP_PATCH(0xca)	/* user memory closed */
#define ASM_STAC	SMAP_PATCH(0xcb)	/* user memory open */

#endif
