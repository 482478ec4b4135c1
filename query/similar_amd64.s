#include "textflag.h"

// The layout this relies on: a vector is 30 doubles, of which the first 9 are the
// shape and the last 20 the densities; and so is a profile.

DATA ones<>+0(SB)/8, $1.0
DATA ones<>+8(SB)/8, $1.0
DATA ones<>+16(SB)/8, $1.0
DATA ones<>+24(SB)/8, $1.0
GLOBL ones<>(SB), RODATA|NOPTR, $32

DATA positive<>+0(SB)/8, $0x7fffffffffffffff
DATA positive<>+8(SB)/8, $0x7fffffffffffffff
DATA positive<>+16(SB)/8, $0x7fffffffffffffff
DATA positive<>+24(SB)/8, $0x7fffffffffffffff
GLOBL positive<>(SB), RODATA|NOPTR, $32

// The most that skewness and kurtosis may differ by, and what stands behind them.
DATA most<>+0(SB)/8, $1.0
DATA most<>+8(SB)/8, $1.0
DATA most<>+16(SB)/8, $0x7ff0000000000000
DATA most<>+24(SB)/8, $0x7ff0000000000000
GLOBL most<>(SB), RODATA|NOPTR, $32

// All three macros overwrite Y1.

// PART sets y to |p - y/(1+|y|)|. Y14 are ones, Y15 clears signs.
#define PART(y, p) \
	VANDPD Y15, y, Y1; \
	VADDPD Y14, Y1, Y1; \
	VDIVPD Y1, y, y; \
	VMOVUPD p, Y1; \
	VSUBPD y, Y1, y; \
	VANDPD Y15, y, y

// MOVED adds |p - y·Y10| to Y2.
#define MOVED(y, p) \
	VMULPD Y10, y, y; \
	VMOVUPD p, Y1; \
	VSUBPD y, Y1, y; \
	VANDPD Y15, y, y; \
	VADDPD y, Y2, Y2

// SUM sets x, the lower half of y, to (y₀+y₁) + (y₂+y₃).
#define SUM(y, x) \
	VEXTRACTF128 $1, y, X1; \
	VHADDPD X1, x, x; \
	VHADDPD x, x, x

// func unlikeRow(p *profile, v *float64) (shape, moved float64)
TEXT ·unlikeRow(SB), NOSPLIT, $0-32
	MOVQ    p+0(FP), SI
	MOVQ    v+8(FP), DI
	VMOVUPD ones<>(SB), Y14
	VMOVUPD positive<>(SB), Y15

	VMOVUPD 0(DI), Y0
	VMOVUPD 32(DI), Y3
	VMOVSD  64(DI), X4
	PART(Y0, 0(SI))
	PART(Y3, 32(SI))
	VMOVUPD most<>(SB), Y1
	VMINPD  Y3, Y1, Y3      // Y3 where it is no number
	VADDPD  Y3, Y0, Y0
	SUM(Y0, X0)
	VANDPD  X15, X4, X1
	VADDSD  X14, X1, X1
	VDIVSD  X1, X4, X4
	VMOVSD  64(SI), X1
	VSUBSD  X4, X1, X4
	VANDPD  X15, X4, X4
	VADDSD  X4, X0, X0
	VMOVSD  X0, shape+16(FP)

	VMOVUPD 80(DI), Y5
	VMOVUPD 112(DI), Y6
	VMOVUPD 144(DI), Y7
	VMOVUPD 176(DI), Y8
	VMOVUPD 208(DI), Y9
	VADDPD  Y6, Y5, Y10
	VADDPD  Y7, Y10, Y10
	VADDPD  Y8, Y10, Y10
	VADDPD  Y9, Y10, Y10
	SUM(Y10, X10)
	VXORPD  X2, X2, X2
	VCMPSD  $1, X10, X2, X3  // 0 < the sum
	VDIVSD  X10, X14, X10
	VANDPD  X3, X10, X10
	VBROADCASTSD X10, Y10
	VXORPD  Y2, Y2, Y2
	MOVED(Y5, 80(SI))
	MOVED(Y6, 112(SI))
	MOVED(Y7, 144(SI))
	MOVED(Y8, 176(SI))
	MOVED(Y9, 208(SI))
	SUM(Y2, X2)
	VMOVSD  X2, moved+24(FP)
	VZEROUPPER
	RET
