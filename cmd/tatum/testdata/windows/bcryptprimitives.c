/*
 * What wine 8 lacks and Go programs need, as the bcryptprimitives.dll that Go
 * loads at its start.
 */
#include <windows.h>
#include <string.h>

BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);

/* ProcessPrng fills buf with random bytes; without it no Go program starts. */
BOOL WINAPI ProcessPrng(PBYTE buf, SIZE_T n)
{
	return SystemFunction036(buf, n);
}

typedef LONG(NTAPI *set_information)(HANDLE, PVOID, PVOID, ULONG, int);
static set_information wine_set_information;

/*
 * os.RemoveAll asks for deletion with POSIX semantics and falls back when that
 * is an unknown class. Wine's answer is that it is not implemented.
 */
static LONG NTAPI set_information_file(HANDLE h, PVOID status, PVOID info, ULONG n, int class)
{
	const int disposition_ex = 64;
	const LONG invalid_info_class = 0xC0000003;

	if (class == disposition_ex)
		return invalid_info_class;
	return wine_set_information(h, status, info, n, class);
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved)
{
	enum { size = 32 }; /* of wine's function, which runs from anywhere */
	unsigned char jump[12] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0}; /* mov rax, address; jmp rax */
	void *to = set_information_file, *copy;
	unsigned char *at;
	DWORD before;

	if (reason != DLL_PROCESS_ATTACH)
		return TRUE;
	at = (unsigned char *)GetProcAddress(GetModuleHandleA("ntdll"), "NtSetInformationFile");
	copy = VirtualAlloc(NULL, size, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	memcpy(copy, at, size);
	wine_set_information = (set_information)copy;
	memcpy(jump + 2, &to, sizeof to);
	VirtualProtect(at, sizeof jump, PAGE_EXECUTE_READWRITE, &before);
	memcpy(at, jump, sizeof jump);
	VirtualProtect(at, sizeof jump, before, &before);
	return TRUE;
}
