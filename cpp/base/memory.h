// Aligned, zero-filled memory for arenas and packed weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>

namespace zeroskip {

struct FreeAligned {
  size_t mapped_bytes = 0;  // of a large block, which is the system's; else the C library's
  void operator()(void* p) const;
};
using AlignedBytes = std::unique_ptr<std::byte[], FreeAligned>;

// `bytes` of zeros starting on a 64-byte boundary, and kArenaSlackBytes more that kernels may over-read.
// Large blocks start on a huge-page boundary, ask for huge pages, and go back to the system when they are
// freed: in the heap of the C library, what a session leaves behind would lie between blocks of others and
// stay. Throws std::bad_alloc.
AlignedBytes allocate_aligned(size_t bytes);

// What the machine has; more is never allocated.
int64_t physical_memory_bytes();

// The product of sizes, none of them negative. Throws Error where it would overflow.
int64_t checked_product(std::initializer_list<int64_t> sizes);

}  // namespace zeroskip
