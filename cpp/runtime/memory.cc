#include "runtime/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "runtime/error.h"
#include "runtime/tensor.h"

namespace zeroskip {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

void FreeAligned::operator()(void* p) const { std::free(p); }

AlignedBytes allocate_aligned(size_t bytes) {
  // Beyond the machine's memory the system may say yes, and end the process when the memory is used.
  if (bytes > static_cast<size_t>(physical_memory_bytes())) throw std::bad_alloc();
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

int64_t physical_memory_bytes() {
  static const int64_t bytes = [] {
    const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? int64_t{pages} * page_bytes : int64_t{1} << 40;
  }();
  return bytes;
}

int64_t checked_product(std::initializer_list<int64_t> sizes) {
  int64_t product = 1;
  for (const int64_t size : sizes)
    check(!__builtin_mul_overflow(product, size, &product), "a size that is the product of ", size,
          " and others is too large");
  return product;
}

}  // namespace zeroskip
