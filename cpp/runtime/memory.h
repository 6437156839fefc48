// Aligned, zero-filled memory for arenas and packed weights.
#pragma once

#include <cstddef>
#include <memory>

namespace zeroskip {

struct FreeAligned {
  void operator()(void* p) const;
};
using AlignedBytes = std::unique_ptr<std::byte[], FreeAligned>;

// `bytes` of zeros starting on a 64-byte boundary, and kArenaSlackBytes more that kernels may over-read.
// Large blocks start on a huge-page boundary and ask for huge pages. Throws std::bad_alloc.
AlignedBytes allocate_aligned(size_t bytes);

}  // namespace zeroskip
