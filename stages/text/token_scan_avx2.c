// For processors with AVX2.
#include "stages/text/token_scan.h"

#ifdef __x86_64__
#include "stages/text/token_scan_body.h"

const ft_token_scan ft_token_scan_avx2 = FT_TOKEN_SCAN_ALL;
#endif
