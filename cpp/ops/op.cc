#include "ops/op.h"

namespace zeroskip {
namespace {

template <typename T>
const T* find_attribute(const StepSpec& step, const std::string& key, const char* type_name) {
  const auto found = step.attributes.find(key);
  if (found == step.attributes.end()) return nullptr;
  const T* value = std::get_if<T>(&found->second);
  check(value != nullptr, "attribute '", key, "' must be ", type_name);
  return value;
}

const TensorSpec& tensor_at(const BuildContext& context, const std::vector<int>& indices, size_t index,
                            const char* kind) {
  check(index < indices.size(), "has ", indices.size(), " ", kind, "(s), needs at least ", index + 1);
  return context.tensors[static_cast<size_t>(indices[index])];
}

}  // namespace

int64_t StepSpec::get_int(const std::string& key) const {
  const auto* value = find_attribute<int64_t>(*this, key, "an integer");
  check(value != nullptr, "attribute '", key, "' (an integer) is missing");
  return *value;
}

int64_t StepSpec::get_int(const std::string& key, int64_t fallback) const {
  const auto* value = find_attribute<int64_t>(*this, key, "an integer");
  return value ? *value : fallback;
}

double StepSpec::get_float(const std::string& key, double fallback) const {
  const auto found = attributes.find(key);
  if (found != attributes.end()) {
    if (const auto* integer = std::get_if<int64_t>(&found->second)) return static_cast<double>(*integer);
  }
  const auto* value = find_attribute<double>(*this, key, "a number");
  return value ? *value : fallback;
}

std::string StepSpec::get_string(const std::string& key, const std::string& fallback) const {
  const auto* value = find_attribute<std::string>(*this, key, "a string");
  return value ? *value : fallback;
}

std::vector<int64_t> StepSpec::get_ints(const std::string& key) const {
  const auto* value = find_attribute<std::vector<int64_t>>(*this, key, "a list of integers");
  check(value != nullptr, "attribute '", key, "' (a list of integers) is missing");
  return *value;
}

std::vector<int64_t> StepSpec::get_ints(const std::string& key, size_t expected_size) const {
  std::vector<int64_t> values = get_ints(key);
  check(values.size() == expected_size, "attribute '", key, "' has ", values.size(), " values, needs ",
        expected_size);
  return values;
}

std::vector<double> StepSpec::get_floats(const std::string& key, size_t expected_size) const {
  const auto found = attributes.find(key);
  const bool are_integers =
      found != attributes.end() && std::holds_alternative<std::vector<int64_t>>(found->second);
  if (are_integers) {
    const std::vector<int64_t> values = get_ints(key, expected_size);
    return {values.begin(), values.end()};
  }
  const auto* values = find_attribute<std::vector<double>>(*this, key, "a list of numbers");
  check(values != nullptr, "attribute '", key, "' (a list of numbers) is missing");
  check(values->size() == expected_size, "attribute '", key, "' has ", values->size(), " values, needs ",
        expected_size);
  return *values;
}

int64_t ConstantView::elements() const {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

const ConstantView* StepSpec::find_constant(const std::string& role) const {
  const auto found = constants.find(role);
  return found == constants.end() ? nullptr : &found->second;
}

const ConstantView& StepSpec::get_constant(const std::string& role, const std::vector<int64_t>& shape) const {
  const ConstantView* constant = find_constant(role);
  check(constant != nullptr, "constant '", role, "' is missing");
  check(constant->shape == shape, "constant '", role, "' has shape ", shape_text(constant->shape), ", needs ",
        shape_text(shape));
  return *constant;
}

const TensorSpec& BuildContext::input(const StepSpec& step, size_t index) const {
  return tensor_at(*this, step.inputs, index, "input");
}

const TensorSpec& BuildContext::output(const StepSpec& step, size_t index) const {
  return tensor_at(*this, step.outputs, index, "output");
}

}  // namespace zeroskip
