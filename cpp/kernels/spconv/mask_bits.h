#pragma once

#include <cstdint>
#include <cstring>

namespace zeroskip::ZS_ISA {

// The next 64 channels' bits of a mask, limited to `channels`. May read past the pixel's own words.
inline uint64_t mask_bits(const uint16_t* mask, uint64_t channels) {
  uint64_t bits = 0;
#ifdef __SANITIZE_THREAD__
  // What lies behind may be written meanwhile by another thread. It is masked off, so that the race has no
  // effect, but ThreadSanitizer cannot know.
  for (int word = 0; word < 4 && channels >> (16 * word) != 0; ++word)
    bits |= uint64_t{mask[word]} << (16 * word);
#else
  std::memcpy(&bits, mask, sizeof(bits));
#endif
  return bits & channels;
}

}  // namespace zeroskip::ZS_ISA
