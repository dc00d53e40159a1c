// For any processor.
#include "stages/text/token_scan.h"

#include "stages/nn/kernel/isa.h"
#include "stages/text/token_scan_body.h"

const ft_token_scan ft_token_scan_plain = FT_TOKEN_SCAN_ALL;

const ft_token_scan *ft_token_scan_choose(void)
{
#ifdef __x86_64__
    if (ft_isa_level() != FT_ISA_GENERIC)
        return &ft_token_scan_avx2;
#endif
    return &ft_token_scan_plain;
}
