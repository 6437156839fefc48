#include "runtime/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "runtime/tensor.h"

namespace zeroskip {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

void FreeAligned::operator()(void* p) const { std::free(p); }

AlignedBytes allocate_aligned(size_t bytes) {
  if (bytes > std::numeric_limits<int64_t>::max() - 2 * kHugePage) throw std::bad_alloc();
  const size_t wanted = bytes + static_cast<size_t>(kArenaSlackBytes);
  const size_t alignment = wanted >= kHugePage ? kHugePage : kAlignment;
  const size_t total = (wanted + alignment - 1) / alignment * alignment;
  void* p = std::aligned_alloc(alignment, total);
  if (p == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  // A hint only: streaming weights through 4 KB pages costs TLB misses, but refusal changes no result.
  // Only whole pages: the rest of the last one would be memory that nobody uses.
  if (alignment == kHugePage) (void)madvise(p, wanted / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  std::memset(p, 0, wanted);
  return AlignedBytes(static_cast<std::byte*>(p));
}

}  // namespace zeroskip
