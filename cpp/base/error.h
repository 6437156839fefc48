// The one exception type of the core. Thrown only while a program is built or its inputs are checked;
// the bindings turn it into zeroskip.EngineError. Nothing throws once the steps of a run have begun.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace zeroskip {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An operator refused the step that it was to carry out: the planner and the core disagree about what is
// possible.
class StepError : public Error {
 public:
  StepError(size_t step, const std::string& message) : Error(message), step_(step) {}
  size_t step() const { return step_; }

 private:
  size_t step_;
};

// Builds a message from parts: throw_error("conv: kernel ", kh, "x", kw, " exceeds the padded input").
template <typename... Parts>
[[noreturn]] void throw_error(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(message.str());
}

template <typename... Parts>
void check(bool condition, const Parts&... parts) {
  if (!condition) throw_error(parts...);
}

}  // namespace zeroskip
