#include "textflag.h"

// func castagnoliAhead(sum uint32, p *byte, words int) uint32
TEXT ·castagnoliAhead(SB), NOSPLIT, $0-28
	MOVL sum+0(FP), AX
	MOVQ p+8(FP), SI
	MOVQ words+16(FP), CX
	NOTL AX                 // a CRC-32 is computed from its inverse

word:
	PREFETCHT0 4096(SI)     // which may be no memory of ours: it does not fault
	CRC32Q (SI), AX
	ADDQ $8, SI
	DECQ CX
	JNZ  word

	NOTL AX
	MOVL AX, ret+24(FP)
	RET
