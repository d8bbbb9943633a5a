"""Constructs for training and serving Hugging Face models on SageMaker.

One module per main class, imported by its own name (`from hf_sagemaker.endpoint import HuggingFaceEndpoint`), so that
the catalogues can be read without importing the CDK.
"""
