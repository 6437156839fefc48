// The contract between the runtime and an operator.
//
// A factory validates a StepSpec against the tensor specs, packs what it needs and returns an Op; it throws
// Error on anything it does not accept (Program adds the step's number, name and op to the message). Op::run
// is called once per inference from one thread, opens its own parallel loops through
// RunContext::parallel_for, and neither allocates nor throws. An Op is immutable after construction apart
// from what it declares atomic, so concurrent runs may share it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/tensor.h"
#include "base/threads.h"
#include "base/weight_store.h"
#include "kernels/registry.h"

namespace zeroskip {

// A constant handed over by the planner: row-major, alive while the factory runs (copy or pack it).
struct ConstantView {
  std::vector<int64_t> shape;
  std::span<const float> values;  // of float32 constants, which all are but those of operators on integers
  std::string name;  // unique within the session, with the shape: the key under which packed forms are shared
  DataType dtype = DataType::kFloat32;
  const std::byte* data = nullptr;

  int64_t elements() const;
  // The elements, which must be T's: throws Error.
  template <typename T>
  const T* as() const {
    check(dtype == data_type_of<T>, "constant '", name, "' holds ", traits(dtype).name, ", needs ",
          traits(data_type_of<T>).name);
    return reinterpret_cast<const T*>(data);
  }
};

using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>>;

struct StepSpec {
  std::string op;
  std::string name;
  std::vector<int> inputs;
  std::vector<int> outputs;
  std::map<std::string, Attribute> attributes;
  std::map<std::string, ConstantView> constants;

  // Typed access; an absent attribute without default or one of another type or size throws Error (which
  // Program prefixes with the step's number, name and op).
  int64_t get_int(const std::string& key) const;
  int64_t get_int(const std::string& key, int64_t fallback) const;
  double get_float(const std::string& key, double fallback) const;
  std::string get_string(const std::string& key, const std::string& fallback) const;
  std::vector<int64_t> get_ints(const std::string& key) const;
  std::vector<int64_t> get_ints(const std::string& key, size_t expected_size) const;
  std::vector<double> get_floats(const std::string& key, size_t expected_size) const;
  const ConstantView* find_constant(const std::string& role) const;  // null when absent
  const ConstantView& get_constant(const std::string& role, const std::vector<int64_t>& shape) const;
};

struct BuildContext {
  const std::vector<TensorSpec>& tensors;
  const KernelTable& kernels;
  int num_threads;
  WeightStore& weights;

  const TensorSpec& input(const StepSpec& step, size_t index) const;
  const TensorSpec& output(const StepSpec& step, size_t index) const;
};

struct RunContext {
  std::span<const Tensor> inputs;
  std::span<const Tensor> outputs;
  std::span<std::byte> scratch;  // at least Op::scratch_bytes(), 64-byte aligned
  int num_threads;
};

class Op {
 public:
  virtual ~Op() = default;
  virtual void run(const RunContext& context) const = 0;
  virtual size_t scratch_bytes() const { return 0; }      // for all threads together
  virtual std::string kernel_name() const { return {}; }  // shown by explain()
  virtual std::string plan_text() const { return {}; }    // lines for people, of operators that plan
  // The density of the first input above which skipping is given up for an algorithm whose time is always the
  // same; none of an operator without that choice.
  virtual std::optional<double> steady_density() const { return std::nullopt; }
  // The share of non-zeros in the first input, of operators that skip zeros without a mask.
  virtual std::optional<double> input_density(const RunContext&) const { return std::nullopt; }
};

using OpFactory = std::unique_ptr<Op> (*)(const StepSpec&, const BuildContext&);

// Null when no operator of that name exists. The table is in registry.cc.
OpFactory find_op(const std::string& name);

}  // namespace zeroskip
