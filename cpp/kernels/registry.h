// Which kernels exist for which instruction set, and which set is in use.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernel_types.h"

namespace zeroskip {

const char* isa_name(Isa isa);
std::vector<Isa> isas_compiled();   // weakest first
std::vector<Isa> isas_supported();  // compiled and runnable on this CPU, weakest first

// The set to use: `requested` if not empty, else ZEROSKIP_FORCE_ISA, else the strongest supported.
// Throws Error when the name is unknown, not compiled or not supported by this CPU.
Isa choose_isa(const std::string& requested);

// The kernels to use: the instruction set's own, and for the rest its parent's (list/isa.inc).
const KernelTable& kernel_table(Isa isa);

// Those that were compiled for it; the members of others are null.
const KernelTable& own_kernels(Isa isa);

}  // namespace zeroskip
