#pragma once

#include <cstdint>
#include <cstring>

namespace zeroskip::ZS_ISA {

// The next 64 channels' bits of a mask, limited to `channels`. May read past the pixel's own words.
inline uint64_t mask_bits(const uint16_t* mask, uint64_t channels) {
  uint64_t bits;
  std::memcpy(&bits, mask, sizeof(bits));
  return bits & channels;
}

}  // namespace zeroskip::ZS_ISA
