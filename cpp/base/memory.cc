#include "base/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/error.h"
#include "base/tensor.h"

namespace zeroskip {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

// Whole huge pages straight from the system, which gives zeros. Null if it refuses.
void* map_huge(size_t total) {
  const size_t reserved = total + kHugePage;  // room to align
  void* mapped = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(mapped);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before > 0) (void)munmap(begin, before);
  if (before < kHugePage) (void)munmap(begin + before + total, kHugePage - before);
  return begin + before;
}

}  // namespace

void FreeAligned::operator()(void* p) const {
  if (mapped_bytes > 0)
    (void)munmap(p, mapped_bytes);
  else
    std::free(p);
}

AlignedBytes allocate_aligned(size_t bytes) {
  // Beyond the machine's memory the system may say yes, and end the process when the memory is used.
  if (bytes > static_cast<size_t>(physical_memory_bytes())) throw std::bad_alloc();
  const size_t wanted = bytes + static_cast<size_t>(kArenaSlackBytes);
  const bool is_large = wanted >= kHugePage;
  const size_t alignment = is_large ? kHugePage : kAlignment;
  const size_t total = (wanted + alignment - 1) / alignment * alignment;
  void* p = is_large ? map_huge(total) : std::aligned_alloc(alignment, total);
  if (p == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  // A hint only: streaming weights through 4 KB pages costs TLB misses, but refusal changes no result.
  // Only whole pages: the rest of the last one would be memory that nobody uses.
  if (is_large) (void)madvise(p, wanted / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  std::memset(p, 0, wanted);  // touches every page now, not in the first run
  return AlignedBytes(static_cast<std::byte*>(p), FreeAligned{is_large ? total : 0});
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
