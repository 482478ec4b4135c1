#include "textflag.h"

// The layout these routines rely on: a row is so many doubles as there are
// columns, a panel is the columns, of 32 doubles each, and then the 32 squared
// norms.

// LAYOUT puts the bytes of a row into R15, which holds the columns, and into DX
// the place of the norms of the panel at DI.
#define LAYOUT \
	SHLQ $3, R15; \
	MOVQ R15, DX; \
	SHLQ $5, DX; \
	ADDQ DI, DX

DATA minusTwo<>+0(SB)/8, $-2.0
GLOBL minusTwo<>(SB), RODATA|NOPTR, $8

// DOTS sets Y0 … Y7 to the dot products of the row at AX with the 32 points of
// the panel at DI: one fused multiply-add a column, first column first.
// It leaves AX behind the row and BX at the panel's norms, where DX is.
#define DOTS \
	MOVQ   DI, BX; \
	VXORPD Y0, Y0, Y0; \
	VXORPD Y1, Y1, Y1; \
	VXORPD Y2, Y2, Y2; \
	VXORPD Y3, Y3, Y3; \
	VXORPD Y4, Y4, Y4; \
	VXORPD Y5, Y5, Y5; \
	VXORPD Y6, Y6, Y6; \
	VXORPD Y7, Y7, Y7; \
column: \
	VBROADCASTSD (AX), Y8; \
	VFMADD231PD  0(BX), Y8, Y0; \
	VFMADD231PD  32(BX), Y8, Y1; \
	VFMADD231PD  64(BX), Y8, Y2; \
	VFMADD231PD  96(BX), Y8, Y3; \
	VFMADD231PD  128(BX), Y8, Y4; \
	VFMADD231PD  160(BX), Y8, Y5; \
	VFMADD231PD  192(BX), Y8, Y6; \
	VFMADD231PD  224(BX), Y8, Y7; \
	ADDQ   $8, AX; \
	ADDQ   $256, BX; \
	CMPQ   BX, DX; \
	JNE    column

// EQUAL puts into the bits of R13 from shift on which lanes of y equal Y10.
#define EQUAL(y, shift) \
	VCMPPD    $0, y, Y10, Y11; \
	VMOVMSKPD Y11, SI; \
	SHLQ      $shift, SI; \
	ORQ       SI, R13

// func nearestPanel(matrix *float64, cols int, n int, p *float64, base int, best *float64, labels *int)
TEXT ·nearestPanel(SB), NOSPLIT, $0-56
	MOVQ matrix+0(FP), AX
	MOVQ cols+8(FP), R15
	MOVQ n+16(FP), CX
	MOVQ p+24(FP), DI
	MOVQ base+32(FP), R9
	MOVQ best+40(FP), R10
	MOVQ labels+48(FP), R11
	LAYOUT
	VBROADCASTSD minusTwo<>(SB), Y9

row:
	DOTS

	// ‖c‖² - 2x·c; doubling is exact, so fusing does not change the sum.
	VFMADD213PD 0(BX), Y9, Y0
	VFMADD213PD 32(BX), Y9, Y1
	VFMADD213PD 64(BX), Y9, Y2
	VFMADD213PD 96(BX), Y9, Y3
	VFMADD213PD 128(BX), Y9, Y4
	VFMADD213PD 160(BX), Y9, Y5
	VFMADD213PD 192(BX), Y9, Y6
	VFMADD213PD 224(BX), Y9, Y7

	// The least of the 32 values, in every lane of Y10.
	VMINPD       Y0, Y1, Y10
	VMINPD       Y2, Y3, Y11
	VMINPD       Y4, Y5, Y12
	VMINPD       Y6, Y7, Y13
	VMINPD       Y10, Y11, Y10
	VMINPD       Y12, Y13, Y12
	VMINPD       Y10, Y12, Y10
	VEXTRACTF128 $1, Y10, X11
	VMINPD       X10, X11, X10
	VPERMILPD    $1, X10, X11
	VMINPD       X10, X11, X10

	// Below the best so far? A NaN is not, so below there is a lane to find.
	VMOVSD       (R10), X11
	VUCOMISD     X10, X11
	JLS          next
	VMOVSD       X10, (R10)
	VBROADCASTSD X10, Y10
	XORQ         R13, R13
	EQUAL(Y0, 0)
	EQUAL(Y1, 4)
	EQUAL(Y2, 8)
	EQUAL(Y3, 12)
	EQUAL(Y4, 16)
	EQUAL(Y5, 20)
	EQUAL(Y6, 24)
	EQUAL(Y7, 28)
	BSFQ         R13, R13
	ADDQ         R9, R13
	MOVQ         R13, (R11)

next:
	ADDQ $8, R10
	ADDQ $8, R11
	DECQ CX
	JNE  row
	VZEROUPPER
	RET

// CLOSER stores min(limit, max(0, (-2·y + ‖x‖²) + ‖c‖²)) for four points.
// Y9 is -2, Y12 is 0, Y13 is ‖x‖². A NaN in y passes both comparisons.
#define CLOSER(y, off) \
	VFMADD213PD Y13, Y9, y; \
	VADDPD      off(BX), y, y; \
	VMAXPD      y, Y12, y; \
	VMOVUPD     off(R9), Y14; \
	VMINPD      y, Y14, y; \
	VMOVUPD     y, off(R8)

// func closerPanel(v *float64, stride int, matrix *float64, cols int, norms *float64, n int, p *float64, limit *[width]float64)
TEXT ·closerPanel(SB), NOSPLIT, $0-64
	MOVQ v+0(FP), R8
	MOVQ stride+8(FP), R10
	SHLQ $3, R10
	MOVQ matrix+16(FP), AX
	MOVQ cols+24(FP), R15
	MOVQ norms+32(FP), SI
	MOVQ n+40(FP), CX
	MOVQ p+48(FP), DI
	MOVQ limit+56(FP), R9
	LAYOUT
	VBROADCASTSD minusTwo<>(SB), Y9
	VXORPD       Y12, Y12, Y12

row:
	DOTS
	VBROADCASTSD (SI), Y13
	CLOSER(Y0, 0)
	CLOSER(Y1, 32)
	CLOSER(Y2, 64)
	CLOSER(Y3, 96)
	CLOSER(Y4, 128)
	CLOSER(Y5, 160)
	CLOSER(Y6, 192)
	CLOSER(Y7, 224)
	ADDQ R10, R8
	ADDQ $8, SI
	DECQ CX
	JNE  row
	VZEROUPPER
	RET

// COLUMNS sets R11 to the bytes of as many of the columns, whose bytes are R15, as
// fill registers of four.
#define COLUMNS \
	MOVQ R15, R11; \
	ANDQ $-32, R11

// ROWAT sets AX to the row that R8 lists and BX to its first column.
#define ROWAT \
	MOVQ  (R8), AX; \
	IMULQ R15, AX; \
	ADDQ  SI, AX; \
	XORQ  BX, BX

// func transformRows(dst *float64, matrix *float64, cols int, index *int, n int, mean *float64, deviation *float64)
TEXT ·transformRows(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DI
	MOVQ matrix+8(FP), SI
	MOVQ cols+16(FP), R15
	MOVQ index+24(FP), R8
	MOVQ n+32(FP), CX
	MOVQ mean+40(FP), R9
	MOVQ deviation+48(FP), R10
	SHLQ $3, R15
	COLUMNS

row:
	// Rows may lie anywhere, so the processor cannot guess the next ones. Ask for
	// the one four places on; near the end, for the current one again.
	MOVQ (R8), R12
	CMPQ CX, $4
	JLE  near
	MOVQ 32(R8), R12

near:
	IMULQ      R15, R12
	ADDQ       SI, R12
	LEAQ       -1(R12)(R15*1), R13

line:
	PREFETCHT0 (R12)
	ADDQ       $64, R12
	CMPQ       R12, R13
	JLT        line
	PREFETCHT0 (R13)
	ROWAT
	CMPQ       BX, R11
	JGE        rest

four:
	VMOVUPD (AX)(BX*1), Y0
	VSUBPD  (R9)(BX*1), Y0, Y0
	VDIVPD  (R10)(BX*1), Y0, Y0
	VMOVUPD Y0, (DI)(BX*1)
	ADDQ    $32, BX
	CMPQ    BX, R11
	JLT     four

rest:
	CMPQ   BX, R15
	JGE    next
	VMOVSD (AX)(BX*1), X0
	VSUBSD (R9)(BX*1), X0, X0
	VDIVSD (R10)(BX*1), X0, X0
	VMOVSD X0, (DI)(BX*1)
	ADDQ   $8, BX
	JMP    rest

next:
	ADDQ R15, DI
	ADDQ $8, R8
	DECQ CX
	JNE  row
	VZEROUPPER
	RET

// func sumRows(sum *float64, matrix *float64, cols int, index *int, n int)
TEXT ·sumRows(SB), NOSPLIT, $0-40
	MOVQ sum+0(FP), DI
	MOVQ matrix+8(FP), SI
	MOVQ cols+16(FP), R15
	MOVQ index+24(FP), R8
	MOVQ n+32(FP), CX
	SHLQ $3, R15
	COLUMNS

row:
	ROWAT
	CMPQ BX, R11
	JGE  rest

four:
	VMOVUPD (DI)(BX*1), Y0
	VADDPD  (AX)(BX*1), Y0, Y0
	VMOVUPD Y0, (DI)(BX*1)
	ADDQ    $32, BX
	CMPQ    BX, R11
	JLT     four

rest:
	CMPQ   BX, R15
	JGE    next
	VMOVSD (DI)(BX*1), X0
	VADDSD (AX)(BX*1), X0, X0
	VMOVSD X0, (DI)(BX*1)
	ADDQ   $8, BX
	JMP    rest

next:
	ADDQ $8, R8
	DECQ CX
	JNE  row
	VZEROUPPER
	RET

// func deviateRows(shift *float64, square *float64, matrix *float64, cols int, index *int, n int, mean *float64)
TEXT ·deviateRows(SB), NOSPLIT, $0-56
	MOVQ shift+0(FP), DI
	MOVQ square+8(FP), R9
	MOVQ matrix+16(FP), SI
	MOVQ cols+24(FP), R15
	MOVQ index+32(FP), R8
	MOVQ n+40(FP), CX
	MOVQ mean+48(FP), R10
	SHLQ $3, R15
	COLUMNS

row:
	ROWAT
	CMPQ BX, R11
	JGE  rest

four:
	VMOVUPD (AX)(BX*1), Y0
	VSUBPD  (R10)(BX*1), Y0, Y0
	VADDPD  (DI)(BX*1), Y0, Y1
	VMULPD  Y0, Y0, Y0
	VADDPD  (R9)(BX*1), Y0, Y0
	VMOVUPD Y1, (DI)(BX*1)
	VMOVUPD Y0, (R9)(BX*1)
	ADDQ    $32, BX
	CMPQ    BX, R11
	JLT     four

rest:
	CMPQ   BX, R15
	JGE    next
	VMOVSD (AX)(BX*1), X0
	VSUBSD (R10)(BX*1), X0, X0
	VADDSD (DI)(BX*1), X0, X1
	VMULSD X0, X0, X0
	VADDSD (R9)(BX*1), X0, X0
	VMOVSD X1, (DI)(BX*1)
	VMOVSD X0, (R9)(BX*1)
	ADDQ   $8, BX
	JMP    rest

next:
	ADDQ $8, R8
	DECQ CX
	JNE  row
	VZEROUPPER
	RET
