/*
 * gcm_kernel.c - finds AES-GCM in libipsec-mb, at run time.
 *
 * Theory of operation.  The library is opened when it is wanted and not linked,
 * so that programs start, and look the same, on a machine without it.  Its
 * manager, 200 KiB, only chooses functions by CPU; they are copied out of it
 * and need it no more.
 */
#include "gcm_kernel.h"

#include <stdint.h>

#ifdef HYBRIDGE_HAVE_GCM_KERNEL

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define LIBRARY "libIPSec_MB.so.1"

/* Without the last number: patches do not change the layout of structures. */
#define SERIES(version) ((version) >> 8)

/* What is called by name. */
struct library {
	unsigned int (*version)(void);
	IMB_MGR *(*alloc)(uint64_t flags);
	void (*init)(IMB_MGR *mgr, IMB_ARCH *arch);
	void (*free)(IMB_MGR *mgr);
};

static struct gcm_kernels kernels;
static bool loaded;

bool gcm_kernel_pays(void)
{
	__builtin_cpu_init();
	/* No CPU has all of these and lacks VAES, which clang cannot ask for. */
	return __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512ifma") &&
	       __builtin_cpu_supports("gfni") &&
	       __builtin_cpu_supports("vpclmulqdq");
}

/* ISO C has no cast from dlsym()'s pointer to a function. */
static bool find(void *handle, const char *name, void *function)
{
	void *symbol = dlsym(handle, name);

	memcpy(function, &symbol, sizeof(symbol));
	return symbol != NULL;
}

static bool open_library(struct library *library)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	return handle &&
	       find(handle, "imb_get_version", (void *)&library->version) &&
	       find(handle, "alloc_mb_mgr", (void *)&library->alloc) &&
	       find(handle, "init_mb_mgr_auto", (void *)&library->init) &&
	       find(handle, "free_mb_mgr", (void *)&library->free) &&
	       SERIES(library->version()) == SERIES(IMB_VERSION_NUM);
}

static void copy_functions(const IMB_MGR *mgr)
{
	kernels.aes128 = (struct gcm_kernel){
		.key_len = IMB_GCM_128_KEY_LEN,
		.expand = mgr->gcm128_pre,
		.start = mgr->gcm128_init,
		.start_iv = mgr->gcm128_init_var_iv,
		.encrypt = mgr->gcm128_enc_update,
		.decrypt = mgr->gcm128_dec_update,
		.encrypt_end = mgr->gcm128_enc_finalize,
		.decrypt_end = mgr->gcm128_dec_finalize,
	};
	kernels.aes256 = (struct gcm_kernel){
		.key_len = IMB_GCM_256_KEY_LEN,
		.expand = mgr->gcm256_pre,
		.start = mgr->gcm256_init,
		.start_iv = mgr->gcm256_init_var_iv,
		.encrypt = mgr->gcm256_enc_update,
		.decrypt = mgr->gcm256_dec_update,
		.encrypt_end = mgr->gcm256_enc_finalize,
		.decrypt_end = mgr->gcm256_dec_finalize,
	};
}

static void load_once(void)
{
	const uint64_t needed = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ |
				IMB_FEATURE_SELF_TEST_PASS;
	struct library library;
	IMB_ARCH arch = IMB_ARCH_NONE;
	IMB_MGR *mgr;

	if (!open_library(&library))
		return;
	mgr = library.alloc(0);
	if (!mgr)
		return;
	library.init(mgr, &arch);
	loaded = arch >= IMB_ARCH_SSE && (mgr->features & needed) == needed;
	if (loaded)
		copy_functions(mgr);
	library.free(mgr);
}

const struct gcm_kernels *gcm_kernel_load(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_once);
	return loaded ? &kernels : NULL;
}

#endif
