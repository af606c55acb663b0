"""What is planted, a family a module, and healthy trainings that look odd. The table imports every module."""
