// Every instruction set of this build has every kernel: its own, or its parent's. Those this CPU lacks are refused by name.
#include "kernels/registry.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"

namespace zeroskip {
namespace {

int failures = 0;

void expect(bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "FAILED: %s\n", what.c_str());
  ++failures;
}

int count_own_kernels(Isa isa) {
  const KernelTable &all = kernel_table(isa), &own = own_kernels(isa);
  expect(all.isa == isa && all.lanes == own.lanes, std::string("the table of ") + isa_name(isa));
  int count = 0;
#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, row_isa, type, name) \
  count += own.name != nullptr;                                                                 \
  if (std::strcmp(#row_isa, "all") == 0)                                                        \
    expect(all.name != nullptr, std::string(#name "__") + isa_name(isa));                       \
  if (own.name) expect(all.name == own.name, std::string("its own " #name "__") + isa_name(isa));
#include "kernels/list/all.inc"
#undef ZS_KERNEL
  return count;
}

bool is_supported(Isa isa) {
  for (const Isa other : isas_supported())
    if (other == isa) return true;
  return false;
}

// What choosing it says, empty where it is chosen.
std::string refusal(const std::string& name) {
  try {
    choose_isa(name);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace
}  // namespace zeroskip

int main() {
  using namespace zeroskip;
  unsetenv("ZEROSKIP_FORCE_ISA");
  for (const Isa isa : isas_compiled()) {
    const std::string name = isa_name(isa), message = refusal(name);
    const bool says_so =
        message.find("this CPU does not run isa '" + name + "'; supported: ") != std::string::npos;
    expect(is_supported(isa) ? message.empty() : says_so, "choosing " + name + ": " + message);
    std::printf("%s: %d kernels of its own%s\n", name.c_str(), count_own_kernels(isa),
                is_supported(isa) ? "" : ", not for this CPU");
  }
  std::printf("chosen: %s; %d failures\n", isa_name(choose_isa("")), failures);
  return failures ? 1 : 0;
}
